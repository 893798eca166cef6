//! Makes sled's syncs real on Linux.
//!
//! There sled ends a flush in `sync_file_range(2)`, which sends the disk no flush and saves no
//! file size: after a power loss nothing that was acknowledged is sure to be there. Where that
//! call does not exist, sled syncs the whole file instead. So it must not exist: a seccomp filter
//! answers it with `ENOSYS`, for this process alone and without any privilege.

/// Why sled's syncs could not be made real. Without them the program must not run.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot make writes durable: {0}. The store needs a kernel with seccomp filters \
     (CONFIG_SECCOMP_FILTER) and permission to install one: check whether a container runtime or a \
     sandbox forbids seccomp(2) or prctl(2), or hides /proc"
)]
pub struct NotDurable(String);

/// Has `sync_file_range(2)` fail in all threads of this process, from now on and for good.
///
/// To be called before any store is opened, best first of all. It also sets `no_new_privs`.
///
/// # Errors
///
/// When the filter cannot be installed, or cannot be seen to be there.
#[cfg(not(target_os = "linux"))]
pub fn make_syncs_real() -> Result<(), NotDurable> {
    Ok(())
}

#[cfg(target_os = "linux")]
pub use linux::make_syncs_real;

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Display;
    use std::fs;

    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

    use super::NotDurable;

    /// Has `sync_file_range(2)` fail in all threads of this process, from now on and for good.
    ///
    /// To be called before any store is opened, best first of all. It also sets `no_new_privs`.
    ///
    /// # Errors
    ///
    /// When the filter cannot be installed, or cannot be seen to be there.
    pub fn make_syncs_real() -> Result<(), NotDurable> {
        let before = Seccomp::now()?;
        let program = program()
            .map_err(|error| failed("there is no filter for this kind of machine", &error))?;
        seccompiler::apply_filter_all_threads(&program)
            .map_err(|error| failed("the seccomp filter was refused", &error))?;
        let after = Seccomp::now()?;
        // A container usually has a filter of its own, so one more must be there. Kernels before
        // 5.9 do not count them.
        let more = match (before.filters, after.filters) {
            (Some(before), Some(after)) => after > before,
            _ => true,
        };
        if after.mode == Some(2) && more {
            return Ok(());
        }
        Err(NotDurable(
            "the seccomp filter is not in force (/proc/self/status)".into(),
        ))
    }

    fn program() -> Result<BpfProgram, seccompiler::BackendError> {
        let rules = [(libc::SYS_sync_file_range, Vec::new())]
            .into_iter()
            .collect();
        let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        SeccompFilter::new(rules, SeccompAction::Allow, missing, arch)?.try_into()
    }

    fn failed(what: &str, error: &dyn Display) -> NotDurable {
        NotDurable(format!("{what} ({error})"))
    }

    /// What the kernel says about the filters of this process.
    struct Seccomp {
        mode: Option<u32>,
        filters: Option<u32>,
    }

    impl Seccomp {
        fn now() -> Result<Self, NotDurable> {
            let status = fs::read_to_string("/proc/self/status")
                .map_err(|error| failed("/proc/self/status cannot be read", &error))?;
            let field = |name: &str| {
                let value = status.lines().find_map(|line| line.strip_prefix(name))?;
                value.trim().parse().ok()
            };
            Ok(Self {
                mode: field("Seccomp:"),
                filters: field("Seccomp_filters:"),
            })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_filter_is_seen_to_be_in_force() {
            make_syncs_real().unwrap();
            assert_eq!(Seccomp::now().unwrap().mode, Some(2));
        }
    }
}
