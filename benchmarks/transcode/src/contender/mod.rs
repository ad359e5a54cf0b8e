//! Those who are measured: ours and what one would use instead. A file is one
//! contender, or one kind of them.

#[cfg(feature = "peers")]
mod buffa;
#[cfg(feature = "peers")]
mod dynamic;
#[cfg(feature = "peers")]
mod external;
#[cfg(feature = "peers")]
mod pbjson;
mod tables;

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

#[cfg(feature = "peers")]
pub(crate) use dynamic::meaning;
#[cfg(feature = "peers")]
pub(crate) use external::Program;

use crate::allocations;
use crate::sample::{Sample, Way};

/// What a contender does with the messages of one type.
trait Transcode {
    /// Appends the wire bytes of a JSON text.
    fn read(&self, json: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// Appends the JSON of wire bytes.
    fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<()>;
}

/// A contender with one sample, ready to be measured.
pub(crate) trait Measured {
    /// What it makes of the sample.
    fn output(&mut self, way: Way) -> Result<Vec<u8>>;

    /// The processor time that it takes for so many messages, one after the
    /// other: what else the machine does meanwhile does not count.
    fn time(&mut self, way: Way, times: u64) -> Result<Duration>;

    /// Does so many messages, and nothing else.
    fn repeat(&mut self, way: Way, times: u64) -> Result<()>;

    /// How often it allocates for one message, once it has seen some; `None`
    /// where that cannot be counted.
    fn allocations(&mut self, way: Way) -> Result<Option<u64>>;
}

/// A contender in this process. The loop is compiled for each by itself, so that
/// none pays for a call through a table per message.
struct Here<T> {
    contender: T,
    json: Vec<u8>,
    wire: Vec<u8>,
    /// Reused from message to message, as a server would.
    out: Vec<u8>,
}

impl<T: Transcode> Measured for Here<T> {
    fn repeat(&mut self, way: Way, times: u64) -> Result<()> {
        for _ in 0..times {
            self.out.clear();
            match way {
                Way::Read => self.contender.read(black_box(&self.json), &mut self.out)?,
                Way::Write => self.contender.write(black_box(&self.wire), &mut self.out)?,
            }
            black_box(&self.out);
        }
        Ok(())
    }

    fn output(&mut self, way: Way) -> Result<Vec<u8>> {
        self.repeat(way, 1)?;
        Ok(self.out.clone())
    }

    fn time(&mut self, way: Way, times: u64) -> Result<Duration> {
        let started = processor_time();
        self.repeat(way, times)?;
        Ok(processor_time().saturating_sub(started))
    }

    fn allocations(&mut self, way: Way) -> Result<Option<u64>> {
        self.repeat(way, 2)?;
        let (done, count) = allocations::counted(|| self.repeat(way, 1));
        done?;
        Ok(Some(count))
    }
}

/// What this thread has used of a processor so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative on this clock.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn here<'a, T: Transcode + 'a>(contender: T, sample: &Sample) -> Box<dyn Measured + 'a> {
    Box::new(Here {
        contender,
        json: sample.json.clone(),
        wire: sample.wire.clone(),
        out: Vec::new(),
    })
}

/// How the tables call those in programs of their own.
#[cfg(feature = "peers")]
pub(crate) mod external_titles {
    pub(crate) const CPP_CACHED: &str = "libprotobuf (C++), types looked up once";
    pub(crate) const CPP_PER_CALL: &str = "libprotobuf (C++), types looked up per call";
    pub(crate) const PYTHON: &str = "Python's protobuf (upb)";
}

/// A contender in this process, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    /// What is measured: the transcoder.
    Ours,
    /// Its first version, over an existing JSON reader.
    Oracle,
    /// A dynamic message.
    #[cfg(feature = "peers")]
    Dynamic,
    /// Generated code, with JSON by serde.
    #[cfg(feature = "peers")]
    Pbjson,
    /// Generated code of another house.
    #[cfg(feature = "peers")]
    Buffa,
}

impl Native {
    #[cfg(feature = "peers")]
    pub(crate) const ALL: &[Self] = &[
        Self::Ours,
        Self::Oracle,
        Self::Dynamic,
        Self::Pbjson,
        Self::Buffa,
    ];
    #[cfg(not(feature = "peers"))]
    pub(crate) const ALL: &[Self] = &[Self::Ours, Self::Oracle];

    /// As commands call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Oracle => "oracle",
            #[cfg(feature = "peers")]
            Self::Dynamic => "prost-reflect",
            #[cfg(feature = "peers")]
            Self::Pbjson => "pbjson",
            #[cfg(feature = "peers")]
            Self::Buffa => "buffa",
        }
    }

    /// As the tables call it.
    #[cfg(feature = "peers")]
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ours => "portolan-transcode",
            Self::Oracle => "its first version, over jiter",
            Self::Dynamic => "serde_json + prost-reflect",
            Self::Pbjson => "generated: prost + pbjson",
            Self::Buffa => "generated: buffa",
        }
    }

    /// The contender with one sample. `steady` where its instructions are
    /// counted.
    pub(crate) fn prepare(self, sample: &Sample, steady: bool) -> Result<Box<dyn Measured>> {
        match self {
            Self::Ours => tables::ours(sample, steady),
            Self::Oracle => tables::oracle(sample),
            #[cfg(feature = "peers")]
            Self::Dynamic => dynamic::prepare(sample),
            #[cfg(feature = "peers")]
            Self::Pbjson => pbjson::prepare(sample),
            #[cfg(feature = "peers")]
            Self::Buffa => buffa::prepare(sample),
        }
    }
}
