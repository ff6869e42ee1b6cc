"""publish: outputs are taken in by signed URLs, verified, and made the result of their job."""
