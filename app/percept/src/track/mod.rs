//! Who is who from frame to frame: association, filters, track life cycle, 3D state.
