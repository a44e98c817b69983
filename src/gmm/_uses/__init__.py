"""What fitted mixtures are used for, a file each: functions of a mixture and rows, and the values that they return."""
