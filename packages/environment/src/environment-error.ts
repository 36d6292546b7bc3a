/** Thrown when the environment does not fit. The message names variables and rules, never a value. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
}
