"""What `make bench` measures: a stand on which real programs run, the runs, and one function for each figure."""
