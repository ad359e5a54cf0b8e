//! The tables, and how they came to be.

use portolan_sqlite::Format;

/// The memory's database.
pub(super) const FORMAT: Format = Format {
    // "Port".
    application: 0x506f_7274,
    steps: &[
        // 1. Numbers rise in the order of storing. The words of a namespace are in
        //    a table of their own, `words_N` (see `words_table`), since BM25 weighs
        //    a word by how rare it is among all rows of its table.
        "
    create table namespace (
        id integer primary key,
        name text not null unique,
        dimension integer,
        memories integer not null default 0
    ) strict;
    create table memory (
        number integer primary key,
        namespace integer not null references namespace,
        id blob not null unique,
        content text not null,
        metadata text not null,
        created_at integer not null
    ) strict;
    create index memory_by_namespace on memory (namespace, number);
    create table vector (
        memory integer primary key references memory,
        namespace integer not null references namespace,
        components blob not null
    ) strict;
    create table label (
        namespace integer not null references namespace,
        key text not null,
        value text not null,
        memory integer not null references memory,
        primary key (namespace, key, value, memory)
    ) strict, without rowid;
    create table batch (
        namespace integer not null references namespace,
        id text not null,
        consumed integer not null,
        updated_at integer not null,
        primary key (namespace, id)
    ) strict, without rowid;
    create table batch_chunk (
        namespace integer not null references namespace,
        batch text not null,
        start integer not null,
        ids blob not null,
        failures text not null,
        primary key (namespace, batch, start)
    ) strict, without rowid;
    ",
    ],
};

/// How a namespace's words are kept: the index alone, since the text is in
/// `memory`; words folded by Unicode, without their accents.
pub(super) fn words_table(namespace: i64) -> String {
    format!(
        "create virtual table words_{namespace} using fts5(
            content, content = '', contentless_delete = 1,
            tokenize = 'unicode61 remove_diacritics 2'
        )"
    )
}
