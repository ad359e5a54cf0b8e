//! Counts what the thread of a test allocates: the system's allocator with a
//! counter in front, for the test binaries that say `mod counter`.
#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static COUNTER: Counter = Counter;

thread_local! {
    /// `None` while nothing is counted. Without a destructor, so that the
    /// allocator can reach it at any time and it needs no allocation itself.
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Counter;

impl Counter {
    fn count() {
        COUNT.with(|count| count.set(count.get().map(|count| count + 1)));
    }
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Does some work; how often this thread allocated meanwhile, new places and
/// larger ones alike.
pub(crate) fn allocations(work: impl FnOnce()) -> u64 {
    COUNT.set(Some(0));
    work();
    COUNT.take().unwrap_or_default()
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| ()), 0);
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8]))), 1);
    let mut list = vec![0_u8; 4];
    assert_eq!(allocations(|| list.reserve_exact(1_000)), 1);
    assert_eq!(list.len(), 4);
}
