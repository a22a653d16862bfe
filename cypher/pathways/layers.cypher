// The layers of the network that a run traced
//
// In topological order; layer 0 is the input. A neuron's id is
// offset + (channel * height + y) * width + x.
//
// param run string: the run
// returns: layer int, name string, kind string, channels int, height int, width int, offset int
// :params {run: ""}

MATCH (u:Run)-[:TRACED]->(:Model)<-[:PART_OF]-(l:Layer)
WHERE u.id = $run
RETURN l.number AS layer, l.name AS name, l.kind AS kind, l.channels AS channels, l.height AS height,
  l.width AS width, l.id AS offset
ORDER BY layer
