# Answers lines "n_iter" with "seconds iterations", and writes the parameters: EM of mclust's `me` from given
# responsibilities, repeated until the clock can tell.
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
folder <- given[1]
sizes <- as.integer(given[2:4])
model <- given[5]
cat(as.character(packageVersion("mclust")), "\n")
flush(stdout())
numbers <- function(name, rows, columns) {
  values <- readBin(file.path(folder, name), "double", rows * columns)
  matrix(values, rows, columns, byrow = TRUE)
}
if (model != "") {
  data <- numbers("rows.bin", sizes[1], sizes[2])
  z <- numbers("responsibilities.bin", sizes[1], sizes[3])
}
asked <- file("stdin", "r")
while (length(n_iter <- as.integer(readLines(asked, 1))) == 1) {
  # The iterations end when the change of the log-likelihood is at most the tolerance: never.
  control <- emControl(itmax = c(n_iter, n_iter))
  control$tol <- c(-1, -1)  # emControl() itself takes no such thing
  done <- 0
  begin <- as.numeric(Sys.time())
  repeat {
    fit <- me(data = data, modelName = model, z = z, control = control)
    done <- done + 1
    seconds <- as.numeric(Sys.time()) - begin
    if (seconds > 0.05) break
  }
  found <- fit$parameters
  output <- file(file.path(folder, "parameters.bin"), "wb")
  writeBin(as.double(c(found$pro, found$mean, found$variance$sigma)), output)
  close(output)
  # A count below 0 says that the limit of iterations ended them.
  cat(seconds / done, abs(attr(fit, "info")[["iterations"]]), "\n")
  flush(stdout())
}
