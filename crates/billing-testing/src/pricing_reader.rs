//! The fake of `PricingReader`.

use std::collections::BTreeMap;

use billing_domain::ports::{
    PortError, PriceAsked, PricesFound, PricingReader, RatedFound, UnratedCount, UnratedFilter, UnratedGroup,
    UnratedKey, UnratedPage, UsageFound, WaitingFound,
};
use billing_domain::pricing::{PriceEnquiry, resolve};
use billing_domain::usage::UnratedUsage;
use billing_domain::{Day, MessageId, Price};

use crate::memory::{Memory, State};

impl PricingReader for Memory {
    async fn find_usage(&self, message: MessageId) -> Result<Option<UsageFound>, PortError> {
        let state = self.open("find_usage")?;
        if let Some(waits) = state.waiting.iter().map(|waits| &waits.usage).find(|w| w.usage.message == message) {
            return Ok(Some(UsageFound::Waiting(Box::new(state.found_waiting(waits)))));
        }
        let Some(usage) = state.rated.get(&message) else { return Ok(None) };
        let event = usage.event.clone();
        let pinned = state.prices.get(&usage.rated.price.0).map(|stored| stored.row.clone());
        let price = pinned.ok_or_else(|| PortError::permanent("find_usage", "an event without its price"))?;
        let prices = state.standing(&PriceEnquiry::of(&event));
        let (amount, cost) = (usage.rated.amount, usage.rated.cost);
        Ok(Some(UsageFound::Rated(Box::new(RatedFound { event, price, amount, cost, prices }))))
    }

    async fn find_prices(&self, asked: &PriceAsked) -> Result<Option<PricesFound>, PortError> {
        let state = self.open("find_prices")?;
        let Some(enquiry) = state.completed(asked) else { return Ok(None) };
        let prices = state.standing(&enquiry);
        let costs = state.costs.values().map(|stored| &stored.row).filter(|cost| {
            cost.cancelled_at.is_none()
                && cost.days.contains(enquiry.day)
                && (&cost.key.operator, cost.key.direction) == (&enquiry.operator, enquiry.direction)
        });
        let costs = costs.cloned().collect();
        Ok(Some(PricesFound { enquiry, prices, costs }))
    }

    async fn unrated(&self, filter: &UnratedFilter, after: Option<&str>, limit: u32) -> Result<UnratedPage, PortError> {
        let state = self.open("unrated")?;
        let groups = state.groups().into_iter().filter(|(place, count)| {
            let key = &count.group.key;
            filter.account.is_none_or(|account| account == key.account)
                && filter.operator.as_ref().is_none_or(|operator| *operator == key.operator)
                && after.is_none_or(|after| place.as_str() > after)
        });
        let mut rows: Vec<UnratedCount> = groups.map(|(_, count)| count).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|last| last.group.place.clone());
        Ok(UnratedPage { rows, next })
    }
}

impl State {
    /// What waits, by place.
    pub(crate) fn groups(&self) -> BTreeMap<String, UnratedCount> {
        let mut groups: BTreeMap<String, UnratedCount> = BTreeMap::new();
        for waits in &self.waiting {
            let (key, at) = (key(&waits.usage), waits.usage.usage.charged_at);
            let place = place(&key);
            let group = UnratedGroup { key, oldest: at, newest: at, place: place.clone() };
            let count = groups.entry(place).or_insert(UnratedCount { group, messages: 0 });
            count.messages += 1;
            count.group.oldest = count.group.oldest.min(at);
            count.group.newest = count.group.newest.max(at);
        }
        groups
    }

    fn found_waiting(&self, waits: &UnratedUsage) -> WaitingFound {
        let usage = waits.usage.clone();
        let asked = PriceAsked {
            account: Some(usage.account),
            tier: usage.tier.clone(),
            operator: usage.operator.clone(),
            direction: usage.direction,
            currency: usage.currency,
            day: Day::of(usage.charged_at),
        };
        let enquiry = self.completed(&asked);
        let prices = enquiry.as_ref().map(|enquiry| self.standing(enquiry)).unwrap_or_default();
        WaitingFound { usage, reason: waits.reason, since: waits.receipt.published_at, enquiry, prices }
    }

    fn completed(&self, asked: &PriceAsked) -> Option<PriceEnquiry> {
        let record = asked.account.and_then(|account| self.histories.get(&account)).map(|history| history.record());
        let profile = record.as_ref().and_then(|record| record.profile_on(asked.day));
        Some(PriceEnquiry {
            account: asked.account,
            tier: asked.tier.clone().or_else(|| profile.map(|profile| profile.tier.clone()))?,
            operator: asked.operator.clone(),
            direction: asked.direction,
            currency: asked.currency.or_else(|| profile.map(|profile| profile.currency))?,
            day: asked.day,
        })
    }

    fn standing(&self, enquiry: &PriceEnquiry) -> Vec<Price> {
        let all: Vec<Price> = self.prices.values().map(|stored| stored.row.clone()).collect();
        resolve(&all, enquiry).candidates.into_iter().filter_map(|(_, price)| price.cloned()).collect()
    }
}

pub(crate) fn place(key: &UnratedKey) -> String {
    format!("{} {key:?}", key.account)
}

pub(crate) fn key(waits: &UnratedUsage) -> UnratedKey {
    let usage = &waits.usage;
    UnratedKey {
        reason: waits.reason,
        account: usage.account,
        tenant: waits.tenant,
        tier: usage.tier.clone(),
        operator: usage.operator.clone(),
        direction: usage.direction,
        currency: usage.currency,
    }
}
