# mclust's MclustDA on the folds of a table.
#   Rscript mclust_classes.R FOLDER n d: rows.bin, classes.bin and folds.bin (doubles); prints, fold by fold, the
#     number of wrong predictions, NA where there is no fit, and the seconds.
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
n <- as.integer(given[2])
numbers <- function(name, size) readBin(file.path(given[1], name), "double", size)
X <- matrix(numbers("rows.bin", n * as.integer(given[3])), n, byrow = TRUE)
y <- numbers("classes.bin", n)
folds <- numbers("folds.bin", n)
for (fold in sort(unique(folds))) {
  training <- folds != fold
  begin <- proc.time()[["elapsed"]]
  wrong <- tryCatch({
    fitted <- MclustDA(X[training, , drop = FALSE], y[training], verbose = FALSE)
    sum(as.character(predict(fitted, X[!training, , drop = FALSE])$classification) != as.character(y[!training]))
  }, error = function(reason) NA)
  cat(wrong, proc.time()[["elapsed"]] - begin, "\n")
  flush(stdout())
}
