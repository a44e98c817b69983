"""This package with the kernel of Cython and BLAS alone, the twin of the compiled arithmetic."""

from benchmarks.peers.gmm_peer import GmmPeer

PEER = GmmPeer(kernel="blas")
