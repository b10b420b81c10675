//! Each safety rule broken, until the judge notices the harm that the rule prevents, not any harm:
//! in the machine, and in the real shell and the real store of the whole program.

use crate::chat::mutation::{self, Mutation};
use crate::seeds::say;
use crate::{machine, whole};

/// A broken rule must be noticed within this many seeds.
const SEEDS: u64 = 600;

const LOST: &str = "is lost and nobody was told";
const REPEATED: &str = "reached the desk twice";

/// Breaks a rule and plays seed after seed.
fn caught(mutation: Mutation, harms: &[&str], violations: impl Fn(u64) -> Vec<String>) {
    mutation::set(Some(mutation));
    let found = (1..=SEEDS).find_map(|seed| {
        let harm = |what: &String| harms.iter().any(|harm| what.contains(harm));
        violations(seed).into_iter().find(harm).map(|what| (seed, what))
    });
    mutation::set(None);
    match found {
        Some((seed, what)) => say(&format!("{mutation:?} was noticed at seed {seed}: {what}")),
        None => panic!("{mutation:?} led to none of {harms:?} in {SEEDS} seeds"),
    }
}

/// As people break them: by name, from outside. The run fails, says how to repeat it, and ends with
/// its figures.
#[test]
fn a_rule_that_is_broken_by_its_name_fails_the_run() {
    let rules = [
        "commit-first",
        "derived-ids",
        "fixed-contents",
        "duplicates",
        "dedupe",
        "cursor",
        "fencing",
    ];
    for name in rules {
        let world = if name == "fencing" { "two" } else { "one" };
        let program = std::env::current_exe().expect("this program");
        let ran = std::process::Command::new(program)
            .args(["seeds::seeds", "--exact", "--nocapture"])
            .env("SIM_MUTATE", name)
            .env("SIM_WORLD", world)
            .env("SIM_SEEDS", SEEDS.to_string())
            .env_remove("SIM_FROM")
            .output()
            .expect("it runs");
        let (out, told) =
            (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(!ran.status.success(), "{name} was not noticed:\n{out}");
        let repeat = format!("repeat it with: SIM_MUTATE={name} SIM_WORLD={world} SIM_FROM=");
        assert!(told.contains(&repeat), "{name}:\n{told}");
        let figures = out.lines().filter(|line| line.starts_with("{\"seeds\":"));
        assert_eq!(figures.count(), 1, "{name}:\n{out}");
    }
}

mod in_the_machine {
    use super::machine::plan::Plan;
    use super::machine::world::World;
    use super::{LOST, Mutation, REPEATED};

    fn caught(mutation: Mutation, harms: &[&str]) {
        super::caught(mutation, harms, |seed| {
            let clustered = matches!(mutation, Mutation::Fencing | Mutation::SelfFencing);
            let plan = if clustered { Plan::of_pair(seed) } else { Plan::of_seed(seed) };
            let mut world = World::new(plan, false);
            world.goes_on = true;
            world.run();
            world.ledger.violations
        });
    }

    #[test]
    fn acting_before_the_commit_is_noticed() {
        caught(Mutation::CommitFirst, &[LOST, REPEATED]);
    }

    #[test]
    fn an_id_of_its_own_for_every_attempt_is_noticed() {
        caught(Mutation::DerivedIds, &[REPEATED]);
    }

    #[test]
    fn other_contents_for_a_repeated_id_are_noticed() {
        caught(Mutation::FixedContents, &[LOST]);
    }

    #[test]
    fn acting_on_a_retry_is_noticed() {
        caught(Mutation::Duplicates, &[REPEATED]);
    }

    #[test]
    fn telling_a_known_entry_is_noticed() {
        caught(Mutation::Dedupe, &["ß\" came twice"]);
    }

    #[test]
    fn counting_sent_as_consumed_is_noticed() {
        caught(Mutation::Cursor, &["ß\" never came"]);
    }

    #[test]
    fn sending_again_without_a_look_is_noticed() {
        caught(Mutation::LookFirst, &["repeated, without a look"]);
    }

    #[test]
    fn writing_to_a_chat_that_is_anothers_is_noticed() {
        caught(Mutation::Fencing, &[LOST, "changed its message", "again for another text"]);
    }

    #[test]
    fn acting_without_a_lease_is_noticed() {
        caught(Mutation::SelfFencing, &["repeated, without a look", "ß\" never came"]);
    }
}

mod in_the_whole_program {
    use super::whole::plan::Plan;
    use super::whole::runs::run;
    use super::{LOST, Mutation, REPEATED};

    const NEVER: &str = "never came";
    const TWICE: &str = "came twice";

    fn caught(mutation: Mutation, harms: &[&str]) {
        super::caught(mutation, harms, |seed| run(Plan::of_seed(seed), false).verdict.violations);
    }

    #[test]
    fn acting_before_the_commit_is_noticed() {
        caught(Mutation::CommitFirst, &[LOST, REPEATED]);
    }

    #[test]
    fn an_id_of_its_own_for_every_attempt_is_noticed() {
        caught(Mutation::DerivedIds, &[REPEATED]);
    }

    #[test]
    fn acting_on_a_retry_is_noticed() {
        caught(Mutation::Duplicates, &[REPEATED]);
    }

    #[test]
    fn telling_a_known_entry_is_noticed() {
        caught(Mutation::Dedupe, &[TWICE]);
    }

    #[test]
    fn counting_sent_as_consumed_is_noticed() {
        caught(Mutation::Cursor, &[NEVER]);
    }
}
