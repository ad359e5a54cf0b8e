//! What is in the six messages.

use super::numbers::Numbers;
use super::text::Text;

/// Name, type, what is in it, and the JSON.
type Recipe = (&'static str, &'static str, &'static str, fn() -> Vec<u8>);

pub(crate) const ALL: [Recipe; 6] = [
    ("greeter", "Greeting", "one string", greeter),
    (
        "user",
        "User",
        "enum, two timestamps, four tags, a map of three, int64, double, a sub-message, a oneof",
        user,
    ),
    ("users100", "UserList", "a hundred different users", users),
    (
        "vector",
        "Embedding",
        "1,536 floats, a text of 2 KB, a map of eight",
        vector,
    ),
    (
        "nested",
        "Nested",
        "ten levels of a string, an int32 and six packed int32",
        nested,
    ),
    (
        "search64k",
        "SearchPage",
        "strings with escapes and beyond ASCII, 64-bit integers, bytes, doubles, maps",
        search,
    ),
];

fn greeter() -> Vec<u8> {
    Text::object(|text| text.key("name").quoted("Magellanos"))
}

fn user() -> Vec<u8> {
    Text::object(|text| one_user(text, &mut Numbers::new(24)))
}

fn users() -> Vec<u8> {
    Text::object(|text| {
        text.key("users").list(0..100, |text, seed| {
            text.braces(|text| one_user(text, &mut Numbers::new(1_000 + seed)));
        });
    })
}

fn one_user(text: &mut Text, numbers: &mut Numbers) {
    let (given, family) = (numbers.word(), numbers.word());
    text.key("userId")
        .quoted(&format!("usr_{:016x}", numbers.next()));
    text.key("displayName").quoted(&format!("{given} {family}"));
    text.key("email")
        .quoted(&format!("{given}.{family}@example.com"));
    text.key("standing").quoted(numbers.pick(&[
        "STANDING_INVITED",
        "STANDING_ACTIVE",
        "STANDING_SUSPENDED",
    ]));
    for key in ["createdAt", "updatedAt"] {
        text.key(key).quoted(&timestamp(numbers));
    }
    text.key("tags").list(0..4, |text, _| {
        text.quoted(&numbers.word());
    });
    text.key("labels").braces(|text| {
        for key in ["team", "plan", "region"] {
            text.key(key).quoted(&numbers.word());
        }
    });
    text.key("loginCount").long(numbers.below(100_000));
    text.key("reputation").number(numbers.fraction() * 100.0);
    text.key("address").braces(|text| {
        let street = format!("{} {}", 1 + numbers.below(200), numbers.words(2));
        text.key("street").quoted(&street);
        text.key("city").quoted(&numbers.word());
        text.key("postalCode")
            .quoted(&format!("{:05}", numbers.below(100_000)));
        text.key("countryCode")
            .quoted(numbers.pick(&["PT", "ES", "IT", "HR"]));
    });
    if numbers.below(2) == 0 {
        text.key("phoneNumber")
            .quoted(&format!("+351 {:09}", numbers.below(1_000_000_000)));
    } else {
        text.key("chatHandle")
            .quoted(&format!("@{}", numbers.words(1)));
    }
}

/// A time to the millisecond.
fn timestamp(numbers: &mut Numbers) -> String {
    format!(
        "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        10 + numbers.below(16),
        1 + numbers.below(12),
        1 + numbers.below(28),
        numbers.below(24),
        numbers.below(60),
        numbers.below(60),
        1 + numbers.below(999),
    )
}

fn vector() -> Vec<u8> {
    let mut numbers = Numbers::new(2);
    let mut components: Vec<f32> = (0..1_536)
        .map(|_| {
            // The sum of four is bell-shaped, as components of embeddings are.
            let sum: f64 = (0..4).map(|_| numbers.fraction() - 0.5).sum();
            sum as f32
        })
        .collect();
    let length = components.iter().map(|x| x * x).sum::<f32>().sqrt();
    for component in &mut components {
        *component /= length;
    }
    let mut content = numbers.words(320);
    content.truncate(2_048);
    Text::object(|text| {
        text.key("content").quoted(&content);
        text.key("metadata").braces(|text| {
            for name in [
                "source", "author", "language", "topic", "licence", "chunk", "page", "model",
            ] {
                text.key(name).quoted(&numbers.word());
            }
        });
        text.key("vector").list(&components, Text::number);
    })
}

fn nested() -> Vec<u8> {
    let mut numbers = Numbers::new(3);
    Text::object(|text| level(text, &mut numbers, 9))
}

fn level(text: &mut Text, numbers: &mut Numbers, below: usize) {
    text.key("name").quoted(&numbers.words(2));
    text.key("weight").number(numbers.below(100_000));
    text.key("offsets").list(0..6, |text, place| {
        // Small ones, middling ones and large ones take turns.
        text.number(numbers.below([100, 10_000, 1_000_000][place % 3]));
    });
    if below > 0 {
        text.key("child")
            .braces(|text| level(text, numbers, below - 1));
    }
}

fn search() -> Vec<u8> {
    let mut numbers = Numbers::new(4);
    Text::object(|text| {
        text.key("hits").list(0..90, |text, _| {
            text.braces(|text| hit(text, &mut numbers));
        });
        text.key("nextPageToken").base64(&numbers.bytes(24));
    })
}

fn hit(text: &mut Text, numbers: &mut Numbers) {
    text.key("id").long(numbers.next() >> 1);
    text.key("revision").long(numbers.next());
    let title = format!(
        "\"{}\" \\ {}\t({})",
        numbers.words(2),
        numbers.words(2),
        numbers.word()
    );
    text.key("title").quoted(&title);
    text.key("snippet").quoted(&snippet(numbers));
    text.key("digest").base64(&numbers.bytes(32));
    text.key("thumbnail").base64(&numbers.bytes(180));
    text.key("score").number(numbers.fraction());
    text.key("distance").number(numbers.fraction() * 1e4);
    text.key("counters").braces(|text| {
        for key in ["views", "clicks", "shares"] {
            // From one byte to five.
            let most = 1 << (8 * (1 + numbers.below(5)));
            text.key(key).long(numbers.below(most));
        }
    });
}

/// Words of many scripts, with a line break and a quotation here and there.
fn snippet(numbers: &mut Numbers) -> String {
    const ELSEWHERE: [&str; 8] = [
        "navegação",
        "Küste",
        "λιμένας",
        "порт",
        "港",
        "海図",
        "🧭",
        "ميناء",
    ];
    let mut text = String::new();
    for place in 0..20 {
        match numbers.below(8) {
            0 | 1 => text.push_str(numbers.pick(&ELSEWHERE)),
            2 if place % 5 == 0 => text.push_str("\n\""),
            _ => text.push_str(&numbers.word()),
        }
        text.push(' ');
    }
    text
}
