"""Is transfer learning worth it? Networks from scratch against frozen and fine-tuned backbones."""
