//! Where frames come from: recorded drives, image folders, video, MCAP, cameras, LiDAR, the simulated world.
