//! GetUser over gRPC, as often as goes, of every server in turn.

use std::fs;

use anyhow::Result;
use benchmark_report::load;
use benchmark_report::race::{self, Turns};
use portolan_users::proto::user::v1::GetUserRequest;
use prost::Message as _;

use crate::contender::{Contender, Programs, Running};

const METHOD: &str = "/user.v1.UserService/GetUser";

/// The turns of every server.
pub(crate) fn race(
    programs: &Programs,
    rounds: usize,
    seconds: u64,
) -> Result<Vec<Turns<Contender>>> {
    let message = GetUserRequest { id: "1".to_owned() }.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len())?.to_be_bytes());
    frame.extend(message);
    let (body, log) = (
        programs.work.join("GetUser.grpc"),
        programs.work.join("h2load.log"),
    );
    fs::write(&body, frame)?;
    let token = format!("authorization: Bearer {}", programs.token);
    let servers = Contender::ALL
        .into_iter()
        .map(|contender| contender.start(programs))
        .collect::<Result<Vec<Running>>>()?;
    race::run(&servers, rounds, |server: &Running| {
        let url = format!("http://{}{METHOD}", server.process.address);
        // Everybody is sent it, so that everybody reads it.
        load::grpc(&url, &[&token], &body, &log, seconds)
    })
}
