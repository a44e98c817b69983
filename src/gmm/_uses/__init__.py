"""Uses of fitted mixtures, a module each: functions of a mixture and rows, and the values that they return."""
