# mclust's MclustDA on the folds of a table, or mclust's own tables of known classes as numbers.
#   Rscript mclust_classes.R folds FOLDER n d: rows.bin, classes.bin and folds.bin (doubles); prints, fold by fold, the
#     number of wrong predictions, NA where there is no fit, and the seconds.
#   Rscript mclust_classes.R table NAME FOLDER: writes rows.bin and classes.bin; prints n and d.
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
if (given[1] == "table") {
  data(list = given[2], package = "mclust")
  table <- get(given[2])
  labels <- Filter(function(name) is.factor(table[[name]]) || is.character(table[[name]]), names(table))[1]
  rows <- as.matrix(Filter(is.numeric, table[setdiff(names(table), c(labels, "ID"))]))
  writeBin(as.double(t(rows)), file.path(given[3], "rows.bin"))
  writeBin(as.double(as.integer(factor(table[[labels]]))), file.path(given[3], "classes.bin"))
  cat(dim(rows), "\n")
} else {
  n <- as.integer(given[3])
  numbers <- function(name, size) readBin(file.path(given[2], name), "double", size)
  X <- matrix(numbers("rows.bin", n * as.integer(given[4])), n, byrow = TRUE)
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
}
