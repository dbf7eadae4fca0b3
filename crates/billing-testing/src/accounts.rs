//! The fake of `Accounts`.

use billing_domain::ports::{AccountHistory, Accounts, Entered, PortError};
use billing_domain::usage::{AccountDirectory, Observation, ProfileSource, ProfileVersion};

use crate::account_admin::insert;
use crate::memory::{Flaw, Memory, State};

impl Accounts for Memory {
    async fn directory_version(&self) -> Result<i64, PortError> {
        Ok(self.open("directory_version")?.directory_version())
    }

    async fn directory(&self) -> Result<AccountDirectory, PortError> {
        Ok(self.open("directory")?.directory())
    }

    async fn learn(&self, observations: &[Observation]) -> Result<(), PortError> {
        let mut state = self.open("learn_accounts")?;
        let mut directory = state.directory();
        let mut is_news = false;
        for seen in observations {
            if directory.is_news(seen) || state.has(Flaw::LearnsEverything) {
                state.add(seen);
                directory.learn(seen);
                is_news = true;
            }
        }
        state.directory_version += i64::from(is_news);
        Ok(())
    }
}

impl State {
    /// 1, and one more with everything learned or said.
    pub(crate) fn directory_version(&self) -> i64 {
        1 + self.directory_version
    }

    fn directory(&self) -> AccountDirectory {
        let records = self.histories.iter().map(|(account, history)| (*account, history.record()));
        AccountDirectory::new(self.directory_version(), records)
    }

    fn add(&mut self, seen: &Observation) {
        let history = self.histories.entry(seen.account).or_insert_with(|| AccountHistory {
            account: seen.account,
            tenant: seen.tenant,
            profile: Vec::new(),
            parties: Vec::new(),
        });
        let currency = history.profile.first().map_or(seen.currency, |first| first.version.currency);
        let (from, tier, source) = (seen.day, seen.tier.clone(), ProfileSource::Event);
        let version = ProfileVersion { from, tier, currency, source };
        insert(&mut history.profile, Entered { version, entry: None }, |version| version.from);
    }
}
