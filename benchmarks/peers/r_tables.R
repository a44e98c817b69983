# A data set of an R package as numbers.
#   Rscript r_tables.R PACKAGE NAME FILE COLUMN …: writes these columns (doubles, row by row); prints their n and d.
given <- commandArgs(trailingOnly = TRUE)
data(list = given[2], package = given[1])
rows <- sapply(get(given[2])[given[-(1:3)]], function(column) as.numeric(as.character(column)))
writeBin(as.double(t(rows)), given[3])
cat(dim(rows), "\n")
