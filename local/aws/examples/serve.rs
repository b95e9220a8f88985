//! Serves the simulators on loopback: `cargo run -p local-aws --example serve -- [EC2-PORT [SNS-PORT]]`.
//! Port 0, the default, takes a free one. The addresses are printed; Ctrl-C ends it.

use std::error::Error;
use std::io::Write;

use local_aws::{Ec2, Ec2Config, Message, Sns, SnsConfig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut ports = std::env::args().skip(1);
    let mut port = || ports.next().map_or(Ok(0), |port| port.parse::<u16>());
    let ec2 = TcpListener::bind(("127.0.0.1", port()?)).await?;
    let sns = TcpListener::bind(("127.0.0.1", port()?)).await?;
    writeln!(
        std::io::stdout(),
        "ec2 http://{}\nsns http://{}",
        ec2.local_addr()?,
        sns.local_addr()?
    )?;
    let stop = || async {
        // Without a signal handler, better serve on than stop at once.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let simulator = Ec2::new(Ec2Config::default());
    let topics = Sns::new(SnsConfig::default());

    // What connects the two: EC2 publishes its connection notifications.
    let (sink, mut notifications) = mpsc::unbounded_channel();
    simulator.set_notification_sink(sink);
    let publisher = topics.clone();
    tokio::spawn(async move {
        while let Some(notification) = notifications.recv().await {
            // A topic that is not there any more loses the message, as at AWS.
            let _ = publisher.publish(&notification.topic_arn, &Message::new(notification.body));
        }
    });

    tokio::try_join!(
        local_aws::serve(ec2, simulator.router(), stop()),
        local_aws::serve(sns, topics.router(), stop()),
    )?;
    Ok(())
}
