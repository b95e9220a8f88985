//! The local world itself: what is kept between runs, what is refused, and lost, doubled, delayed
//! and reordered events.

use std::time::Duration;

use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Status;
use gatekeeper_local::demo;
use gatekeeper_local::queue::DeliveryFaults;
use gatekeeper_local::world::World;
use local_aws::{Caller, ConnectionEvent, NewEndpoint, State};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::*;

#[tokio::test]
async fn whatever_happens_to_events_everything_is_decided_within_one_period() {
    for seed in 0..12 {
        let world = world_of(OPEN).await;
        let text = format!(
            "services: []\npolicy:{}",
            WORLD.split("policy:").nth(1).unwrap()
        );
        let policy = gatekeeper_local::world_file::WorldFile::parse(&text).unwrap();
        policy.put_into(&world).await.unwrap();
        world
            .ec2
            .put_notification(SERVICE, &world.notification_topic, ConnectionEvent::ALL)
            .unwrap();
        world.ec2.set_options(|options| options.cloudtrail = true);
        let faults = DeliveryFaults {
            drop: 0.4,
            duplicate: 0.4,
            delay: Duration::from_secs(600),
            reorder: 0.5,
        };
        world.queue.set_delivery_faults(faults, seed);
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut made = Vec::new();
        for _ in 0..12 {
            let account = format!("{:012}", chance.u32(1..=4));
            let caller = Caller::new(&account, "us-east-1");
            let endpoint = world
                .ec2
                .create_endpoint(&caller, NewEndpoint::new(SERVICE))
                .unwrap();
            made.push((account, endpoint.endpoint_id));
            tokio::task::yield_now().await;
            if chance.bool() {
                world
                    .pump(&mut gatekeeper_local::world::Drained::default())
                    .await;
            }
            if chance.u32(..5) == 0 {
                let (_, victim) = &made[chance.usize(..made.len())];
                world.ec2.delete_endpoint(victim);
            }
            world.clock.advance(Duration::from_secs(chance.u64(..120)));
        }
        let drained = world.drain().await;
        assert!(
            drained.failures.is_empty() && drained.dead.is_empty(),
            "seed {seed}"
        );
        world.clock.advance(LATER);
        world.reconcile().await;
        assert_world_agrees(&world, &made, seed).await;
    }
}

/// EC2 and the requests agree, and both with the policy.
async fn assert_world_agrees(world: &World, made: &[(String, String)], seed: u64) {
    let mut connected = 0;
    let mut waiting = 0;
    for (account, id) in made {
        let endpoint: EndpointId = id.parse().unwrap();
        let state = world.ec2.state(id).unwrap();
        let status = world
            .request(&endpoint)
            .await
            .unwrap()
            .map(|request| request.status);
        let context = format!("seed {seed}: {id} of {account}, {state}, {status:?}");
        if matches!(state, State::Deleting | State::Deleted) {
            assert!(matches!(status, None | Some(Status::Gone)), "{context}");
            continue;
        }
        let expected = match account.as_str() {
            "000000000001" => Some(Status::Accepted),
            "000000000002" => Some(Status::Rejected),
            "000000000003" => Some(Status::InReview),
            _ => {
                connected += u32::from(status == Some(Status::Accepted));
                waiting += u32::from(status == Some(Status::InReview));
                status
            }
        };
        assert_eq!(status, expected, "{context}");
        let agrees = match status.unwrap() {
            Status::Accepted => matches!(state, State::Pending | State::Available),
            Status::Rejected => state == State::Rejected,
            Status::InReview => state == State::PendingAcceptance,
            _ => false,
        };
        assert!(agrees, "{context}");
    }
    assert!(connected <= 1, "seed {seed}: the limit of one holds");
    assert!(connected == 1 || waiting == 0, "seed {seed}: and is used");
}

#[tokio::test]
async fn tables_are_kept_between_runs_where_a_folder_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = || {
        let mut options = options();
        options.data = Some(folder.path().join("deep/er"));
        options
    };
    let world = world_with(in_folder(), WORLD).await;
    handle(&world, batch_of(3)).await;
    world.stop();
    drop(world);
    let world = World::start(in_folder()).await.unwrap();
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(path(&world, 2).await, "- > rejecting > rejected");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let world = world_of(WORLD).await;
    let mut options = options();
    options.port = world.address().port();
    let error = World::start(options).await.err().unwrap().to_string();
    assert!(
        error.contains(&world.address().port().to_string()),
        "{error}"
    );
    assert!(error.contains("--port"), "{error}");
    assert!(world.address().ip().is_loopback());
}

#[tokio::test]
async fn the_demo_runs_and_comes_back_to_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let args = demo::Args {
            port: 0,
            data: Some(folder.path().to_owned()),
            once: true,
        };
        demo::run(&args).await.unwrap();
    }
    assert!(folder.path().join("connections.json").exists());
}

/// The status of one exchange with the local world's server.
async fn status_of(world: &World, request: &str, headers: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(world.address())
        .await
        .unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        world.address(),
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The simulators accept calls by GET, so the address of an image on another page would be such a
/// call.
#[tokio::test]
async fn other_web_pages_reach_nothing_of_the_local_world_but_its_pages() {
    let world = world_of(WORLD).await;
    let publish = format!(
        "Action=Publish&Version=2010-03-31&TopicArn={}&Message=x",
        world.notification_topic
    );
    let create = format!(
        "Action=CreateVpcEndpoint&Version=2016-11-15&VpcId=vpc-1&VpcEndpointType=Interface\
         &ServiceName=com.amazonaws.vpce.us-east-1.{SERVICE}"
    );
    let tables = "X-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Type: text/plain\r\n";
    let calls = [
        (format!("GET /ec2?{create}"), "", String::new()),
        (format!("HEAD /ec2/?{create}"), "", String::new()),
        (
            "POST /ec2".to_owned(),
            "Content-Type: text/plain\r\n",
            create.clone(),
        ),
        (format!("GET /sns?{publish}"), "", String::new()),
        (
            "POST /sns".to_owned(),
            "Content-Type: application/x-www-form-urlencoded\r\n",
            publish,
        ),
        ("GET /sns/inbox".to_owned(), "", String::new()),
        ("POST /dynamodb".to_owned(), tables, "{}".to_owned()),
        ("GET /page/live".to_owned(), "", String::new()),
        ("GET /slack/interactions".to_owned(), "", String::new()),
    ];
    let before = (world.ec2.connections(), world.sns.published().len());
    for (request, headers, body) in &calls {
        for from in [
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
            "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
            "Origin: http://evil.example\r\n",
            "Referer: http://evil.example/\r\n",
        ] {
            let status = status_of(&world, request, &format!("{headers}{from}"), body).await;
            assert_eq!(status, "403", "{request} {from}");
        }
    }
    assert_eq!(
        (world.ec2.connections(), world.sns.published().len()),
        before
    );

    let link =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let html = format!("Accept: text/html\r\n{link}");
    assert_eq!(status_of(&world, "GET /", &html, "").await, "200");
    let unknown = status_of(&world, "GET /a/unknown", &html, "").await;
    assert_ne!(
        unknown, "403",
        "an approval e-mail's link opens from webmail"
    );
    for (request, headers, body) in &calls[..7] {
        let agent = format!("{headers}User-Agent: Boto3/1.43.108 md/Botocore#1.43.127\r\n");
        let status = status_of(&world, request, &agent, body).await;
        assert_ne!(status, "403", "{request}: SDKs and curl go on");
    }
    assert!(world.sns.published().len() > before.1);
}

#[tokio::test]
async fn a_name_that_leads_here_from_elsewhere_is_not_answered() {
    let world = world_of(WORLD).await;
    for path in [
        "/",
        "/ec2?Action=DescribeVpcEndpointConnections",
        "/a/unknown",
        "/slack/interactions",
    ] {
        let mut stream = tokio::net::TcpStream::connect(world.address())
            .await
            .unwrap();
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 421 "), "{path}: {answer}");
    }
}
