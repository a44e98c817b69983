# The figures of mclust's vignette, "A quick tour of mclust", and of the wines of its article, computed here.
#   Rscript mclust_literature.R N: prints "table: figure = numbers" line by line; bootstraps make N replicates.
suppressMessages(library(mclust))
replicates <- as.integer(commandArgs(trailingOnly = TRUE)[1])
set.seed(1)
told <- function(name, ...) {
  cat(name, " = ", paste(format(c(...), digits = 12, trim = TRUE), collapse = " "), "\n", sep = "")
  flush(stdout())
}
cells <- function(table, criterion, values, ...) {
  for (cell in c(...)) {
    words <- strsplit(cell, ",")[[1]]
    told(paste0(table, ": ", criterion, " of ", cell), values[words[2], words[1]])
  }
}
quality <- function(name, fit) {
  told(paste0(name, "log-likelihood"), fit$loglik)
  told(paste0(name, "ICL"), fit$icl)
}
errors <- function(name, fit) {
  errors <- summary(MclustBootstrap(fit, nboot = replicates, type = "bs", verbose = FALSE), what = "se")
  told(paste0(name, "errors of weights"), errors$pro)
  told(paste0(name, "errors of means"), errors$mean)
}

data(diabetes)
X <- diabetes[, -1]
BIC <- mclustBIC(X, verbose = FALSE)
starts <- lapply(list(c("VVV", "VARS"), c("EEE", "SVD")), function(how) {
  mclustBIC(X, initialization = list(hcPairs = hc(X, modelName = how[1], use = how[2])), verbose = FALSE)
})
cells("diabetes", "BIC", BIC, "VVV,3", "VVV,4", "EVE,6")
cells("diabetes", "BIC", do.call(mclustBICupdate, c(list(BIC), starts)), "VVE,4", "VVE,3")
cells("diabetes", "ICL", mclustICL(X, verbose = FALSE), "EVE,6", "EVE,7")
fit <- Mclust(X, x = BIC, verbose = FALSE)
quality("diabetes: VVV,3, ", fit)
told("diabetes: VVV,3, weights", fit$parameters$pro)
told("diabetes: VVV,3, means", fit$parameters$mean)
told("diabetes: VVV,3, rows unlike their class", length(classError(fit$classification, diabetes$class)$misclassified))
told("diabetes: VVV,3, eigenvalues of directions", MclustDR(fit)$evalues[1:2])
errors("diabetes: VVV,3, ", fit)
tests <- mclustBootstrapLRT(X, modelName = "VVV", nboot = replicates, maxG = 3, verbose = FALSE)
for (K in 1:3) {
  told(paste0("diabetes: VVV, statistic of ", K, " against ", K + 1), tests$obs[K])
  told(paste0("diabetes: VVV, p of ", K, " against ", K + 1), tests$p.value[K])
}

data(galaxies, package = "MASS")
galaxies <- galaxies / 1000
BIC <- NULL
for (start in 1:20) {
  random <- list(hcPairs = hcRandomPairs(galaxies))
  BIC <- mclustBICupdate(BIC, mclustBIC(galaxies, initialization = random, verbose = FALSE))
}
cells("galaxies", "BIC", BIC, "V,3", "V,4", "V,5")
quality("galaxies: V,3, ", Mclust(galaxies, x = BIC, verbose = FALSE))

data(acidity)
fit <- densityMclust(acidity, plot = FALSE, verbose = FALSE)
told("acidity: BIC of E,2", fit$bic)
quality("acidity: E,2, ", fit)
errors("acidity: E,2, ", fit)

fit <- densityMclust(faithful, plot = FALSE, verbose = FALSE)
told("Old Faithful: BIC of EEE,3", fit$bic)
quality("Old Faithful: EEE,3, ", fit)

wine <- tryCatch({
  data(wine, package = "gclus")
  wine
}, warning = function(reason) NULL)
if (!is.null(wine)) {
  fit <- Mclust(data.matrix(wine[, -1]), verbose = FALSE)
  cells("wine", "BIC", fit$BIC, "VVE,3")
  quality("wine: VVE,3, ", fit)
  told("wine: VVE,3, adjusted Rand index", adjustedRandIndex(fit$classification, wine[, 1]))
  told("wine: choice, adjusted Rand index", adjustedRandIndex(fit$classification, wine[, 1]))
}

classifier <- function(name, fit) {
  answer <- summary(fit)
  told(paste0(name, "log-likelihood"), answer$loglik)
  told(paste0(name, "BIC"), answer$bic)
  told(paste0(name, "error"), answer$ce)
  told(paste0(name, "Brier score"), answer$brier)
  folds <- cvMclustDA(fit, nfold = 10, verbose = FALSE)
  told(paste0(name, "ten folds, error"), folds$ce)
  told(paste0(name, "ten folds, Brier score"), folds$brier)
  told(paste0(name, "eigenvalues of directions"), MclustDR(fit)$evalues[1:2])
}
classifier("iris: EDDA, ", MclustDA(iris[, 1:4], iris$Species, modelType = "EDDA", verbose = FALSE))
data(banknote)
classifier("banknote: MclustDA, ", MclustDA(banknote[, -1], banknote$Status, verbose = FALSE))
