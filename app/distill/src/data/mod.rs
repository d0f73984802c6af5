//! Where pictures to learn from come from.

pub mod augment;
pub mod pool;
pub mod random;
pub mod view;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::DataTable;

    #[test]
    #[ignore]
    fn render_speed() {
        let table = DataTable::default();
        let mut r = view::Renderer::default();
        for k in 0..3 {
            let t = std::time::Instant::now();
            let mut n = 0;
            for i in 0..20 {
                n += r.view(&table, k * 20 + i).objects.len();
            }
            eprintln!("20 views {:?} objects {n}", t.elapsed());
        }
        let v = r.view(&table, 5);
        let t = std::time::Instant::now();
        let mut rng = random::Random::new(1, &[1]);
        let s = augment::augmented(&v, &mut rng);
        eprintln!("augment {:?} kept {} ignored {}", t.elapsed(), s.objects.len(), s.ignore.len());
    }
}
