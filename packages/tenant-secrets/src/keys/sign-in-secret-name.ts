/** The secret of the sign-in in Infisical, where each version has a name of its own: SIGN_IN_SECRET, SIGN_IN_SECRET_V2 and so on. */
export function signInSecretName(version: number): string {
  return version === 1 ? "SIGN_IN_SECRET" : `SIGN_IN_SECRET_V${version}`;
}

/** @returns undefined for the name of another secret */
export function signInSecretVersion(name: string): number | undefined {
  const [found, number = "1"] = /^SIGN_IN_SECRET(?:_V(\d{1,6}))?$/.exec(name) ?? [];
  const version = Number(number);
  return found !== undefined && found === signInSecretName(version) ? version : undefined;
}
