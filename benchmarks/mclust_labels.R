# The clusters of mclust's best model by BIC for a number of components.
#   Rscript mclust_labels.R FOLDER n d K: rows.bin (doubles); prints the cluster of each row on one line.
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
sizes <- as.integer(given[2:4])
X <- matrix(readBin(file.path(given[1], "rows.bin"), "double", prod(sizes[1:2])), sizes[1], sizes[2], byrow = TRUE)
set.seed(0)
cat(Mclust(X, G = sizes[3], verbose = FALSE)$classification, "\n")
