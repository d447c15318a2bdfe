use super::AwsError;

/// What a listing gave, page by page.
#[derive(Debug)]
pub struct Listing<T> {
    /// Of all pages that came.
    pub items: Vec<T>,
    /// Whether a page came, be it one without anything on it.
    pub is_answered: bool,
    /// Why no more pages came, or that something on one could not be read.
    pub failed: Option<AwsError>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            is_answered: false,
            failed: None,
        }
    }
}

impl<T> Listing<T> {
    pub(super) fn page(&mut self, items: impl IntoIterator<Item = T>) {
        self.is_answered = true;
        self.items.extend(items);
    }

    /// A page on which something may be in no shape that is known: the rest of it counts.
    pub(super) fn read(&mut self, items: impl IntoIterator<Item = Result<T, AwsError>>) {
        self.is_answered = true;
        for item in items {
            match item {
                Ok(item) => self.items.push(item),
                Err(odd) => drop(self.failed.get_or_insert(odd)),
            }
        }
    }

    pub(super) fn ended(mut self, error: AwsError) -> Self {
        self.failed = Some(error);
        self
    }

    /// All of it, or why it is not all.
    ///
    /// # Errors
    /// What failed, where something did.
    pub fn whole(self) -> Result<Vec<T>, AwsError> {
        match self.failed {
            None => Ok(self.items),
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_leaves_the_rest_and_is_told() {
        let mut listing = Listing::default();
        let odd = || AwsError::odd_answer("DescribeImages", "of a", "it has no digest");
        listing.read([Ok(1), Err(odd()), Ok(2)]);
        listing.read([Ok(3)]);
        assert_eq!((&listing.items[..], listing.is_answered), (&[1, 2, 3][..], true));
        assert!(listing.whole().unwrap_err().to_string().contains("it has no digest"));
    }
}
