// EM of Armadillo's gmm_full and gmm_diag from given parameters, which are overwritten.
// Row-major (n, d) is Armadillo's column-major d x n: nothing is copied or transposed.
#include <armadillo>

namespace {

template <typename Model, typename Covariances>
int learn(Model& model, const arma::mat& rows, double* weights, double* means,
          Covariances& covariances, arma::uword d, arma::uword components, arma::uword n_iter) {
  arma::mat centres(means, d, components, false, true);
  arma::rowvec hefts(weights, components, false, true);
  model.set_params(centres, covariances, hefts);
  const bool learnt = model.learn(rows, components, arma::maha_dist, arma::keep_existing, 0,
                                  n_iter, 1e-10, false);
  centres = model.means;
  hefts = model.hefts;
  return learnt ? 0 : 1;
}

}  // namespace

extern "C" int learn_full(double* X, size_t n, size_t d, size_t components, double* weights,
                          double* means, double* covariances, size_t n_iter) {
  const arma::mat rows(X, d, n, false, true);
  arma::cube blocks(covariances, d, d, components, false, true);
  arma::gmm_full model;
  const int status = learn(model, rows, weights, means, blocks, d, components, n_iter);
  blocks = model.fcovs;
  return status;
}

extern "C" int learn_diag(double* X, size_t n, size_t d, size_t components, double* weights,
                          double* means, double* covariances, size_t n_iter) {
  const arma::mat rows(X, d, n, false, true);
  arma::mat variances(covariances, d, components, false, true);
  arma::gmm_diag model;
  const int status = learn(model, rows, weights, means, variances, d, components, n_iter);
  variances = model.dcovs;
  return status;
}

extern "C" const char* version() {
  static const std::string text = arma::arma_version::as_string();
  return text.c_str();
}
