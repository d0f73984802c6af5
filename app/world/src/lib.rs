//! Pure: the simulated world, scenario to pictures, depth, masks, boxes, LiDAR, events, ego motion and collisions.
