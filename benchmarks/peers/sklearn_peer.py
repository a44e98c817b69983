"""scikit-learn's GaussianMixture: the baseline."""

from benchmarks.peers.estimator import EstimatorPeer

PEER = EstimatorPeer("sklearn.mixture")
