//! Where pictures to learn from come from.

pub mod augment;
pub mod pool;
pub mod random;
pub mod view;

#[cfg(test)]
mod tests {
    use super::augment::{SIDE_MIN_PX, augmented, plain};
    use super::pool::Pool;
    use super::random::Random;
    use super::view::{Renderer, View};
    use crate::recipe::{DataTable, Recipe};

    fn small() -> DataTable {
        DataTable { size: [64, 96], pool: 4, ..DataTable::default() }
    }

    fn view(number: u64) -> View {
        Renderer::default().view(&small(), number)
    }

    #[test]
    fn a_number_is_always_the_same_view() {
        assert_eq!(view(3).rgb, view(3).rgb);
        assert_ne!(view(3).rgb, view(4).rgb);
    }

    #[test]
    fn labels_stay_on_their_objects() {
        let mut seen = 0;
        for number in 0..12 {
            let view = view(number);
            for seed in 0..4 {
                let sample = augmented(&view, &mut Random::new(seed, &[]));
                assert!(sample.picture.iter().all(|v| (0.0..=1.0).contains(v)));
                for object in &sample.objects {
                    let b = object.bbox;
                    assert!(b.x0 >= 0.0 && b.y0 >= 0.0 && b.x1 <= 96.0 && b.y1 <= 64.0, "{b:?}");
                    assert!(b.width() >= SIDE_MIN_PX && b.height() >= SIDE_MIN_PX);
                    // Every cell of the instance map with its number lies in its box, give or take a cell.
                    for (cell, _) in sample.instance.iter().enumerate().filter(|(_, i)| **i == object.instance) {
                        let (x, y) = ((cell % 24) as f32 * 4.0 + 2.0, (cell / 24) as f32 * 4.0 + 2.0);
                        assert!(x > b.x0 - 4.0 && x < b.x1 + 4.0 && y > b.y0 - 4.0 && y < b.y1 + 4.0, "{x} {y} {b:?}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn a_flip_is_its_own_inverse_and_depth_goes_with_it() {
        let view = view(1);
        let sample = plain(&view);
        assert_eq!((sample.log_depth.len(), sample.instance.len()), (16 * 24, 16 * 24));
        assert!(sample.log_depth.iter().any(|d| d.is_finite()));
        let cell = sample.log_depth.iter().position(|d| d.is_finite()).unwrap();
        let (row, column) = (cell / 24 * 4 + 2, cell % 24 * 4 + 2);
        assert_eq!(sample.log_depth[cell], view.log_depth[row * 96 + column]);
    }

    #[test]
    fn a_pool_taken_up_later_is_the_pool_that_was_there() {
        let recipe = Recipe::parse("name = \"n\"\nseed = 3\n[data]\nsize = [64, 96]\npool = 100\nfresh = 2\n").unwrap();
        let mut pool = Pool::at(&recipe.data, 0);
        for step in 0..3 {
            let fresh = pool.fresh(&recipe.data, step + 1);
            pool.add(&recipe.data, fresh);
        }
        let later = Pool::at(&recipe.data, 3);
        // Depth of the sky is NaN, which equals nothing: the rest tells.
        for (a, b) in pool.batch(&recipe, 3).iter().zip(later.batch(&recipe, 3)) {
            assert!(a.picture == b.picture && a.objects == b.objects && a.instance == b.instance);
        }
    }
}
