"""The compiled code beneath `gmm._em`, and the code that runs between its passes (`mstep`)."""
