/** A tug seen from the side, a tag on its funnel. */
export const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="Tagboat">
<rect width="64" height="64" rx="14" fill="#0d5c7a"/>
<path d="M30 12h11v13H30z" fill="#e4572e"/>
<path d="M30 15.500h11v3.500H30z" fill="#fff"/>
<path d="M18 24h28l3 12H18z" fill="#fff"/>
<circle cx="25" cy="30" r="2.600" fill="#0d5c7a"/><circle cx="33" cy="30" r="2.600" fill="#0d5c7a"/><circle cx="41" cy="30" r="2.600" fill="#0d5c7a"/>
<path d="M8 35h50l-6.500 12.500H16z" fill="#ffd166"/>
<path d="M6 51q6.500-4.500 13 0t13 0 13 0 13 0" fill="none" stroke="#9bd3e6" stroke-width="3" stroke-linecap="round"/>
</svg>
`;
