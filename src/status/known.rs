//! What a running service knows of itself, as it goes over the control socket.

/// What a running service knows of itself, for other commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whether the server has let it in.
    pub is_up: bool,
    /// How the link is, in words.
    pub link: String,
    /// Why users are not served; `None` if they are.
    pub not_ready: Option<String>,
    pub domains: Vec<KnownDomain>,
}

/// What a running service knows of a served domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDomain {
    pub name: String,
    pub delegates: bool,
    /// Whether it lets us work on its users' PEP nodes.
    pub grants: bool,
}

impl Known {
    /// As lines of a name and a value each.
    pub fn write(&self) -> String {
        let one_line = |text: &str| text.replace(char::is_control, " ");
        let up = if self.is_up { "up" } else { "down" };
        let mut text = format!("{up} {}\n", one_line(&self.link));
        if let Some(why) = &self.not_ready {
            text.push_str(&format!("not-ready {}\n", one_line(why)));
        }
        for domain in &self.domains {
            let has = |what: bool, name: &'static str| if what { name } else { "-" };
            text.push_str(&format!(
                "domain {} {} {}\n",
                has(domain.delegates, "delegates"),
                has(domain.grants, "grants"),
                domain.name
            ));
        }
        text
    }

    /// Reads such lines. What another release says beside is passed over.
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text
            .lines()
            .map(|line| line.split_once(' ').unwrap_or((line, "")));
        let (up, link) = lines.next()?;
        let mut known = Self {
            is_up: up == "up",
            link: link.to_owned(),
            not_ready: None,
            domains: Vec::new(),
        };
        if !["up", "down"].contains(&up) {
            return None;
        }
        for (name, value) in lines {
            let mut words = value.splitn(3, ' ');
            match (name, words.next(), words.next(), words.next()) {
                ("not-ready", ..) => known.not_ready = Some(value.to_owned()),
                ("domain", Some(delegates), Some(grants), Some(name)) => {
                    known.domains.push(KnownDomain {
                        name: name.to_owned(),
                        delegates: delegates == "delegates",
                        grants: grants == "grants",
                    });
                }
                _ => {}
            }
        }
        Some(known)
    }
}
