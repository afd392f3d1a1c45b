/** The sign-in form, and who is signed in at the head of every page. */
export const SIGN_IN_STYLE = `
.bar .account { display: flex; align-items: center; gap: .4rem .75rem; flex-wrap: wrap; margin: 0; font-size: .8125rem; overflow-wrap: anywhere; }
.bar .account button::before { content: none; }
.sign-in { max-width: 30rem; margin: 8vh auto 0; padding: 1.5rem; }
.sign-in p { margin: .75rem 0; }
.sign-in label { font-weight: 650; }
.sign-in input { font: inherit; font-family: var(--mono); width: 100%; margin-top: .25rem; padding: .5rem .6rem; color: inherit; background: var(--ground); border: 1px solid var(--quiet); border-radius: 6px; }
.sign-in button, .sign-in .button { font: inherit; font-weight: 600; display: inline-block; padding: .5rem 1.1rem; color: var(--paper); background: var(--sea); border: 0; border-radius: 6px; text-decoration: none; cursor: pointer; }
.sign-in code { overflow-wrap: anywhere; }
`;
