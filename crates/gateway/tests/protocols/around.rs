//! What the gateway tells those who stand around it, and what it hands through
//! from them to the service.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use portolan_gateway::{Body, Code, Options, OutcomeSlot};
use tower_service::Service;

use crate::client::{ALL, Wire, get, request, send};
use crate::contract::Item;
use crate::upstream::{before, said, shelf};

/// Something that a layer in front knows, such as who the client is.
#[derive(Clone, Debug, PartialEq)]
struct Peer(u16);

#[tokio::test]
async fn the_extensions_of_a_request_reach_the_service() {
    let seen: Arc<Mutex<Vec<Option<Peer>>>> = Arc::default();
    let log = Arc::clone(&seen);
    let gateway = before(Options::default(), move |request| {
        let peer = request.extensions().get::<Peer>().cloned();
        log.lock().unwrap().push(peer);
        async { Ok(said(&[Item::default()], &[("grpc-status", "0")])) }
    });
    for (number, wire) in (0..).zip(ALL) {
        for method in ["Act", "List", "Collect", "Chat"] {
            let mut request = wire.request(method, &[Item::default()], &[]);
            request.extensions_mut().insert(Peer(number));
            assert_eq!(send(&gateway, request).await.status, 200);
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            assert_eq!(seen, [Some(Peer(number))], "{wire:?} {method}");
        }
    }
    for uri in [
        "/v1/items/n",
        "/shelf.v1.ShelfService/Echo?encoding=json&message=%7B%7D",
    ] {
        let mut request = get(uri);
        request.extensions_mut().insert(Peer(99));
        send(&gateway, request).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen, [Some(Peer(99))], "{uri}");
    }
}

#[tokio::test]
async fn a_call_is_known_before_its_response() {
    let gateway = before(Options::default(), |_| std::future::pending());
    for wire in ALL {
        let slot = OutcomeSlot::default();
        let mut request = wire.request("Act", &[Item::default()], &[]);
        request.extensions_mut().insert(slot.clone());
        let mut gateway = gateway.clone();
        let mut call = gateway.call(request);
        assert!(slot.get().is_none());
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        let outcome = slot.get().expect("the call was accepted");
        assert_eq!(
            (outcome.method(), outcome.protocol(), outcome.is_routed()),
            ("/shelf.v1.ShelfService/Act", wire.protocol(), true)
        );
    }
}

#[tokio::test]
async fn a_slot_has_what_the_response_has_and_nothing_where_there_is_no_call() {
    let gateway = shelf();
    let slot = OutcomeSlot::default();
    let mut call = Wire::Grpc.request("Act", &[Item::default()], &[]);
    call.extensions_mut().insert(slot.clone());
    assert_eq!(send(&gateway, call).await.ended(), Some(Code::Ok));
    assert_eq!(slot.get().unwrap().status(), Some(Code::Ok));

    let slot = OutcomeSlot::default();
    let mut none = get("/nowhere");
    none.extensions_mut().insert(slot.clone());
    assert_eq!(send(&gateway, none).await.status, 404);
    assert!(slot.get().is_none());
}

#[tokio::test]
async fn a_path_that_no_contract_has_is_not_routed() {
    let gateway = shelf();
    for content_type in [
        "application/grpc",
        "application/grpc+json",
        "application/grpc-web",
        "application/grpc-web-text",
    ] {
        for (path, routed) in [
            ("/shelf.v1.ShelfService/Act", true),
            ("/made.Up/Name", false),
        ] {
            let call = request(
                "POST",
                path,
                &[("content-type", content_type)],
                Body::empty(),
            );
            let outcome = send(&gateway, call).await.outcome.unwrap();
            assert_eq!(
                (outcome.method(), outcome.is_routed()),
                (path, routed),
                "{content_type}"
            );
        }
    }
}
