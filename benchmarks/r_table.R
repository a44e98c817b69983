# A data set of an R package as numbers; one without columns has the column "value", and texts are numbered in order.
#   Rscript r_table.R PACKAGE NAME FILE: writes its columns (doubles, row by row), and prints n and d, and their names.
given <- commandArgs(trailingOnly = TRUE)
data(list = given[2], package = given[1])
table <- get(given[2])
if (is.null(dim(table))) table <- data.frame(value = table)
numbers <- function(column) {
  values <- suppressWarnings(as.numeric(as.character(column)))
  if (all(is.na(values))) as.numeric(factor(as.character(column))) else values
}
rows <- sapply(table, numbers)
writeBin(as.double(t(rows)), given[3])
cat(dim(rows), "\n")
cat(names(table), sep = "\n")
