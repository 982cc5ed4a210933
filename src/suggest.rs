//! Near names, for errors that say what may have been meant.

/// The candidate nearest to `name` by edit distance, if one is near.
pub fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let limit = (name.chars().count() / 3).max(1) + 1;
    let (distance, best) = candidates
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .min()?;
    (distance <= limit).then(|| best.to_string())
}

/// Levenshtein's distance, in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut current = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = previous[j] + usize::from(x != *y);
            current.push(change.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}
