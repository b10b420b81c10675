//! What the plan has happen, when it is due.

use std::sync::Arc;

use super::plan::Harm;
use super::world::World;

pub async fn run(world: Arc<World>) {
    for (at, harm) in world.plan.harms.clone() {
        world.until(at).await;
        if !world.faulty() {
            return;
        }
        world.note(|| format!("{harm:?}"));
        let left = world.plan.faults_until - world.at();
        let process = |node: usize| world.process(node);
        match harm {
            Harm::Crash { node, down } => {
                *world.down[node].lock().unwrap() = down;
                if let Some(process) = process(node) {
                    process.gate.die();
                }
            }
            Harm::Pause { node, millis } => {
                if let Some(process) = process(node) {
                    world.count(|counts| counts.pauses += 1);
                    process.gate.pause(millis.min(left));
                }
            }
            Harm::Stop { node, down } => {
                *world.down[node].lock().unwrap() = down;
                world.stops[node].send_replace(Some(down));
            }
            Harm::StoreCut { node, millis } => world.store_goes(Some(node), millis.min(left)),
            Harm::StoreDown { millis } => world.store_goes(None, millis.min(left)),
            Harm::LinkCut { millis } => world.link_breaks(millis.min(left)),
            Harm::Outage { millis } => world.salesforce_goes(millis.min(left)),
            Harm::WallStep { node, millis } => {
                if let Some(process) = process(node) {
                    let clock = &process.clock;
                    clock.set_wall(clock.now().wall.plus_millis(millis));
                }
            }
        }
    }
}
