"""The compiled code beneath `gmm._em`, and the code that runs beside its passes (`mstep`)."""
