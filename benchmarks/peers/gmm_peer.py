"""This package."""

from benchmarks.peers.estimator import EstimatorPeer

PEER = EstimatorPeer("gmm", takes_threads=True)
