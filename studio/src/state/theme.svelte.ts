/** Light, dark, or as the system has it; kept in this browser. */
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const NAME = "philab.theme";

function stored(): Theme {
  const found = localStorage.getItem(NAME);
  return THEMES.find((theme) => theme === found) ?? "system";
}

const system = matchMedia("(prefers-color-scheme: dark)");
export const theme = $state({ choice: stored(), systemIsDark: system.matches });
system.addEventListener("change", ({ matches }) => (theme.systemIsDark = matches));

/** Which colours are shown, for what is painted by hand. */
export function isDark(): boolean {
  return theme.choice === "system" ? theme.systemIsDark : theme.choice === "dark";
}

export function chooseTheme(choice: Theme): void {
  theme.choice = choice;
  localStorage.setItem(NAME, choice);
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = theme.choice;
}
