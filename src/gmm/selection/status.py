"""What may be said of a cell of a search: these words, or what begins with them and tells more."""

OK = "ok"
NOT_CONVERGED = "not converged"
NOT_TRIED = "not tried"
SPIKE = "spike: "
FAILED = "failed: "
