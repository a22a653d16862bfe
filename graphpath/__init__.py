"""graphpath: the pathways by which a convolutional network decides, as a graph to query."""
