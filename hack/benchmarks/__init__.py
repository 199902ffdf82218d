"""The parts of `make bench`: a stand on which real programs run, the runs, and one function for each figure."""
