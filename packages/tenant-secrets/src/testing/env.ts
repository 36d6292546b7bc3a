/** This process's environment variables, for tests that can be run for longer by hand (see CONTRIBUTING), and for what only tests may do. */
export const {
  DELIVERY_KILLS,
  MIGRATION_KILLS,
  MIGRATION_MODEL_RUNS,
  MIGRATION_MODEL_SEED,
  NODE_ENV,
  ROTATION_FAULTS,
  ROTATION_KILLS,
  ROTATION_MODEL_RUNS,
  ROTATION_MODEL_SEED,
} = process.env;
