# Answers a line "most components, model names" with the elapsed seconds of mclustBIC and the criterion of every cell,
# and the line "mixtures" with the parameters of those cells.
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
folder <- given[1]
sizes <- as.integer(given[2:3])
data <- matrix(readBin(file.path(folder, "rows.bin"), "double", prod(sizes)), sizes[1], sizes[2], byrow = TRUE)
cat(as.character(packageVersion("mclust")), "\n")
flush(stdout())
written <- function(values) {
  output <- file(file.path(folder, "answer.bin"), "wb")
  writeBin(as.double(values), output)
  close(output)
}
requests <- file("stdin", "r")
while (length(line <- readLines(requests, 1)) == 1) {
  if (line == "mixtures") {
    values <- c()
    for (model in colnames(search)) for (K in as.integer(rownames(search))) {
      if (is.na(search[as.character(K), model])) next
      parameters <- summary(search, data, G = K, modelNames = model)$parameters
      values <- c(values, parameters$pro, parameters$mean, parameters$variance$sigma)
    }
    written(values)
    cat("done\n")
  } else {
    words <- strsplit(line, " ")[[1]]
    set.seed(0)  # on large tables, mclust first clusters a random subset
    gc()
    took <- system.time(search <- mclustBIC(data, G = 1:as.integer(words[1]), modelNames = words[-1], verbose = FALSE))
    written(unclass(search)[, words[-1]])
    cat(took[["elapsed"]], "\n")
  }
  flush(stdout())
}
