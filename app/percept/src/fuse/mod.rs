//! From boxes, points and depth to distances: projection, gathering, robust estimates, each with source and sigma.
