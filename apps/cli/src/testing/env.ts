/** Gives this process these variables and no other one. @returns puts its own back */
export function replaceEnvironment(environment: Readonly<Record<string, string>>): () => void {
  const own = process.env;
  process.env = { ...environment };
  return () => void (process.env = own);
}
