"""The serverless half of Chrysalis: three functions (stage, run, publish), the movers, and the nouns they share."""
