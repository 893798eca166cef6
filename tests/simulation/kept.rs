//! Runs that once went wrong, as short as they were made, each with its story: they are played for ever.

use super::line::End;
use super::plan::{MAX_ROOMS, Misfortune, Plan};
use super::run::run;
use super::server::Kind;

/// A run that once went wrong, and what it was.
struct Kept {
    story: &'static str,
    plan: Plan,
}

fn kept() -> Vec<Kept> {
    let plan = |seed, kind, (instances, owners, accounts), length, misfortunes: &[_]| Plan {
        seed,
        kind,
        instances,
        owners,
        accounts,
        grants: true,
        goes_on: false,
        grants_options: true,
        edges: false,
        max_rooms: MAX_ROOMS,
        goes_mute: false,
        restores: false,
        is_narrow: false,
        pings_seldom: false,
        length,
        misfortunes: misfortunes.to_vec(),
    };
    vec![
        Kept {
            story: "nothing arrives for 19 s; the component takes that for the end of delegation, logs in anew, and passes \
                    over what arrives meanwhile: nobody is answered",
            plan: plan(
                38,
                Kind::Ejabberd,
                (1, 3, 2),
                80_000,
                &[(54_914, Misfortune::Stall(19_509))],
            ),
        },
        Kept {
            story: "PEP is late, so a list is stored that is not brought into step; a room in it, which the client has left as \
                    it was shown, is deleted by a modern one, and published again with the next get",
            plan: plan(185, Kind::Prosody, (1, 4, 1), 32_000, &[]),
        },
        Kept {
            story: "the same where another old client had dropped the room before, and PEP is silent",
            plan: plan(
                256,
                Kind::Prosody,
                (1, 2, 1),
                16_000,
                &[(5_308, Misfortune::Silent(17_785))],
            ),
        },
        Kept {
            story: "the same where the link is lost, and the power",
            plan: plan(
                6,
                Kind::Prosody,
                (1, 1, 2),
                20_000,
                &[
                    (9_976, Misfortune::Cut(End::Closed)),
                    (12_001, Misfortune::Stall(1_615)),
                    (16_283, Misfortune::Kill(169)),
                ],
            ),
        },
        Kept {
            story: "the disk is full when it is to be noted what came of a set: a room that the client had left alone looks as if \
                    it had changed it, and the next get takes back the name that a modern client had given it",
            plan: plan(
                2172,
                Kind::Ejabberd,
                (1, 2, 2),
                21_000,
                &[(12_696, Misfortune::Full(6_086))],
            ),
        },
        Kept {
            story: "with a database a get's step notes what is true of the older list between a set's note and the set; the process \
                    ends while the node is changed for the set: a room that the client had left alone, and a modern one deleted, \
                    comes back",
            plan: Plan {
                goes_on: true,
                ..plan(
                    2843,
                    Kind::Prosody,
                    (2, 4, 2),
                    16_000,
                    &[(11_688, Misfortune::Kill(2_576))],
                )
            },
        },
        Kept {
            story: "a set is not answered before its process, which is asked to stop, ends; its client goes on from the list that it \
                    had before, and a room that it has never known is retracted",
            plan: Plan {
                goes_on: true,
                grants_options: false,
                max_rooms: 3,
                goes_mute: true,
                ..plan(
                    1_022_833,
                    Kind::Ejabberd,
                    (1, 1, 2),
                    73_000,
                    &[
                        (5_207, Misfortune::Kill(198)),
                        (7_289, Misfortune::Stop(1_403)),
                        (12_863, Misfortune::Stop(3_062)),
                        (17_857, Misfortune::Failing(18_638)),
                        (27_248, Misfortune::Cut(End::Reset)),
                        (33_113, Misfortune::Kill(3_438)),
                        (38_662, Misfortune::Restart(6_207)),
                        (41_822, Misfortune::Stop(3_635)),
                    ],
                )
            },
        },
        Kept {
            story: "a get waits while that of another client finds out that a room is gone; the link breaks, and what had been read \
                    before is shown: the room comes back with that client's next set",
            plan: Plan {
                goes_mute: true,
                restores: true,
                ..plan(
                    2_533_698,
                    Kind::Prosody,
                    (1, 1, 1),
                    79_000,
                    &[
                        (16_400, Misfortune::Cut(End::Reset)),
                        (29_968, Misfortune::Cut(End::Reset)),
                    ],
                )
            },
        },
        Kept {
            story: "the same where PEP is slow",
            plan: Plan {
                goes_on: true,
                ..plan(
                    2_518_065,
                    Kind::Prosody,
                    (2, 3, 2),
                    32_000,
                    &[(266, Misfortune::Stall(2_415))],
                )
            },
        },
        Kept {
            story: "a get has read a list, and another client's set notes what it is about to store before the get is compared: the \
                    list's older name of a room is published",
            plan: Plan {
                goes_on: true,
                max_rooms: 3,
                ..plan(
                    2_521_479,
                    Kind::Prosody,
                    (2, 3, 1),
                    74_000,
                    &[(24_453, Misfortune::Cut(End::Reset))],
                )
            },
        },
        Kept {
            story: "two instances bring one account into step at once, and each publishes the same room in the gap that is left",
            plan: plan(
                153,
                Kind::Ejabberd,
                (2, 1, 2),
                16_000,
                &[(575, Misfortune::Stop(384))],
            ),
        },
        Kept {
            story: "two old clients drop a room at once; it is retracted for one, a modern client adds it, and it is retracted \
                    for the other (the simulator's own mistake)",
            plan: plan(
                911,
                Kind::Ejabberd,
                (2, 1, 2),
                16_000,
                &[(5_303, Misfortune::Cut(End::Reset))],
            ),
        },
        Kept {
            story: "PEP takes longer to say that a room was published than anybody waits: it is not noted, and comes back when it is \
                    deleted (the simulator's own mistake)",
            plan: Plan {
                goes_on: true,
                edges: true,
                ..plan(
                    1_032_872,
                    Kind::Prosody,
                    (2, 3, 2),
                    32_000,
                    &[(10_021, Misfortune::Kill(3_110))],
                )
            },
        },
        Kept {
            story: "the disk is taken away while a sync is under way (the simulator's own mistake)",
            plan: plan(
                209,
                Kind::Prosody,
                (1, 3, 2),
                16_000,
                &[(13_247, Misfortune::Gone(10_546))],
            ),
        },
        Kept {
            story: "PEP is late, so that a list is stored while the one before is still brought into step; then the disk is \
                    taken away, and nothing can be noted: a room that the client has left alone, and a modern one deleted, is \
                    published again",
            plan: Plan {
                edges: true,
                goes_mute: true,
                ..plan(
                    10_393_614,
                    Kind::Ejabberd,
                    (1, 4, 1),
                    16_000,
                    &[(9_900, Misfortune::Gone(2_351))],
                )
            },
        },
        Kept {
            story: "what the component writes is lost, which the server finds out after 77 s: the component finds it out when it \
                    connects again at once, and drops the answers, for they are older than a minute",
            plan: Plan {
                grants: false,
                goes_mute: true,
                restores: true,
                pings_seldom: true,
                ..plan(
                    1454,
                    Kind::Ejabberd,
                    (1, 1, 1),
                    81_000,
                    &[
                        (42_014, Misfortune::Kill(3_808)),
                        (
                            75_973,
                            Misfortune::Swallow {
                                to_component: false,
                                to_server: true,
                                noticed: 77_000,
                            },
                        ),
                    ],
                )
            },
        },
        Kept {
            story: "the same on a link on which no ping was ever answered: what a server without pings had surely read by then \
                    was dropped without a word",
            plan: Plan {
                goes_on: true,
                ..plan(
                    11_030_757,
                    Kind::Prosody,
                    (2, 4, 1),
                    16_000,
                    &[
                        (2_574, Misfortune::Cut(End::Closed)),
                        (4_551, Misfortune::Kill(1_321)),
                        (15_496, Misfortune::Kill(899)),
                        (
                            15_977,
                            Misfortune::Swallow {
                                to_component: false,
                                to_server: true,
                                noticed: 78_000,
                            },
                        ),
                    ],
                )
            },
        },
    ]
}

#[test]
fn what_once_went_wrong_does_so_no_more() {
    for Kept { story, plan } in kept() {
        let outcome = run(&plan, false);
        assert_eq!(outcome.violation, None, "seed {}: {story}", plan.seed);
        assert!(outcome.answers > 0, "seed {}: {story}", plan.seed);
    }
}
