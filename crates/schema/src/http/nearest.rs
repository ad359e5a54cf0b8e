//! Names like one that is not there.

/// The most names to offer.
const MOST: usize = 2;

/// The names that somebody may have meant, nearest first.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wildcard = name.strip_suffix(".*");
    let wanted = wildcard.unwrap_or(name);
    // A slip of a few letters, but not another name altogether.
    let limit = wanted.chars().count() / 5 + 1;
    let mut near: Vec<(usize, &str)> = names
        .filter_map(|candidate| {
            let candidate = match wildcard {
                // What the methods of a service have in common.
                Some(_) => candidate.rsplit_once('.')?.0,
                None => candidate,
            };
            Some((distance(wanted, candidate, limit)?, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    let least = near.first().map(|(distance, _)| *distance);
    let near = near
        .into_iter()
        .filter(|(distance, _)| Some(*distance) == least)
        .take(MOST)
        .map(|(_, name)| name);
    match wildcard {
        Some(_) => near.map(|name| format!("{name}.*")).collect(),
        None => near.map(str::to_owned).collect(),
    }
}

/// How far apart two names are; `None` beyond the limit. What is right but for
/// its package, or names a service where a method is wanted, is near.
fn distance(wanted: &str, candidate: &str, limit: usize) -> Option<usize> {
    let tail = |name: &str| {
        let dots = name.rmatch_indices('.').nth(1);
        dots.map_or(0, |(dot, _)| dot + 1)
    };
    if wanted[tail(wanted)..] == candidate[tail(candidate)..] {
        return Some(1);
    }
    if let Some(method) = candidate.strip_prefix(wanted)
        && method.starts_with('.')
    {
        return Some(2);
    }
    edits(wanted, candidate, limit)
}

/// Letters to insert, remove or replace (Levenshtein), if not more than `limit`.
fn edits(left: &str, right: &str, limit: usize) -> Option<usize> {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        let mut least = row[0];
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
            least = least.min(row[column + 1]);
        }
        if least > limit {
            return None;
        }
    }
    row.last().copied().filter(|edits| *edits <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = [
        "users.v1.Users.Get",
        "users.v1.Users.GetAll",
        "users.v2.Users.Get",
        "memory.v1.Memory.Put",
    ];

    fn near(name: &str) -> Vec<String> {
        nearest(name, NAMES.into_iter())
    }

    #[test]
    fn slips_are_seen() {
        assert_eq!(near("users.v1.Users.Gett"), ["users.v1.Users.Get"]);
        assert_eq!(near("memory.v1.memory.put"), ["memory.v1.Memory.Put"]);
        assert_eq!(
            near("Users.Get"),
            ["users.v1.Users.Get", "users.v2.Users.Get"]
        );
        assert_eq!(near("memory.v1.Memory"), ["memory.v1.Memory.Put"]);
        assert_eq!(near("user.v2.Users.*"), ["users.v2.Users.*"]);
        assert!(near("something.else").is_empty());
        assert!(near("*").is_empty());
    }

    #[test]
    fn edits_are_counted_up_to_a_limit() {
        assert_eq!(edits("kitten", "sitting", 3), Some(3));
        assert_eq!(edits("kitten", "sitting", 2), None);
        assert_eq!(edits("", "abc", 3), Some(3));
        assert_eq!(edits("é", "e", 1), Some(1));
        assert_eq!(edits("same", "same", 0), Some(0));
    }
}
