"""This package on the kernel of Cython and BLAS alone, the twin of our own leaf arithmetic."""

from benchmarks.peers.gmm_peer import GmmPeer

PEER = GmmPeer(kernel="blas")
