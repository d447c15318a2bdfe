/// What a listing gave, page by page.
#[derive(Debug)]
pub struct Listing<T> {
    /// Of all pages that came.
    pub items: Vec<T>,
    /// Why no more did.
    pub failed: Option<super::AwsError>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            failed: None,
        }
    }
}

impl<T> Listing<T> {
    pub(super) fn ended(mut self, error: super::AwsError) -> Self {
        self.failed = Some(error);
        self
    }
}
